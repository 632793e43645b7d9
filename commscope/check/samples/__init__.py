"""What check keeps of runs, and what it asks of several.

Analyses in; snapshots, baselines, sides, decisions and change points out.
"""
