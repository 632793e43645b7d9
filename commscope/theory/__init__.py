"""Closed forms: what a layout must move, hold, compute and take, each with its source."""
