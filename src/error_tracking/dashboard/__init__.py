"""The dashboard: its queries, its charts, and the page outside of the admin."""
