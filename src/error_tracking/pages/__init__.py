"""
What a visitor sees of a failure: a page, problem details, a fragment or plain text.

Needs no database, session, context processor, URL or static file. Shows no title,
message or traceback, and nothing of the request; keeps the status and leaves alone
what a view chose to return.
"""

from __future__ import annotations
