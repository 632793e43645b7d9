"""Instrumented transformers: each collective stands in the code, in a range and in the ledger."""
