"""What launcher and ranks tell each other.

A request and what ranks find out in; small JSON files, the run folder and its run.json out.
"""
