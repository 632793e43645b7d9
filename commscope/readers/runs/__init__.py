"""What lies at a path, whatever its format.

A path in; files, ranks as names tell them, facts of run.json, and runs inside folders out.
"""
