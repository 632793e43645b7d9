"""What a comparison says.

A Comparison in; sentences that claim no more than the recordings show, and the cause behind a change, out.
"""
