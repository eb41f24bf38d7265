"""From a known bug to what leaves the site: the report, its Markdown, the reproduction."""
