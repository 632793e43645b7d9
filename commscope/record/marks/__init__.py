"""What a program writes down while it runs.

A collective or a place in the program in; ranges on the timelines and rows of the ledger out.
"""
