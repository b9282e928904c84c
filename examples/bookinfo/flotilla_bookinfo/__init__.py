"""Bookinfo, the running example: small applications that know nothing of the mesh they run in.

`productpage` shows a page made of what `details` and `reviews` answer; `reviews` v2 and v3 ask `ratings`
for stars. Their API, texts and page are those of Istio's Bookinfo, so its tutorials apply here too.
They call one another by name (`http://reviews:9080`) through the ordinary variable `http_proxy`. `ratings` keeps its
stars in `store`, which speaks a protocol of lines over TCP.

Start reading at `__main__.py`; one module an application.
"""
