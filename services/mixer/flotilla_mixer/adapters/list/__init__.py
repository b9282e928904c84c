"""Is it on the list?"""
