"""What figures share.

Runs, spans, numbers in; windows to show, panels, strips, cells and looks out.
"""
