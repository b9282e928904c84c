"""Who asks: a token or a client certificate in, a verified identity out.

`Credentials` is all that an edge hands over; `Callers` tries the certificate, then the token, and gives the
first that holds. Everything that a peer sends is bounded before it is looked at.
"""
