"""What the browser is given besides pages.

Requests in; recorded files, compressed scripts and the first screen out.
"""
