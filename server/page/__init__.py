"""The page at `/`: what the server does now, a playground, and the verdicts it kept.

Static files and a few small JSON answers; the page loads nothing from elsewhere.
"""
