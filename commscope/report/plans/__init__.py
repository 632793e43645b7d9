"""What was not recorded, in words: a plan, a table of plans, forecasts from a run.

Plans in; JSON documents and sections out.
"""
