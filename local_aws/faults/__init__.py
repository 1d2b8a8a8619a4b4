"""Fault injection, a test tool: throttling, errors, lost responses and killed functions, by rules.

``rules`` decides, ``responses`` builds error responses, ``injection`` connects both to the server.
"""
