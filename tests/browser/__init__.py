"""The error pages in a real browser: looks, languages, policies, htmx, accessibility."""
