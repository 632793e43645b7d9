"""How host and device hang together.

Events in; which call launched, or waited for, which device work out.
"""
