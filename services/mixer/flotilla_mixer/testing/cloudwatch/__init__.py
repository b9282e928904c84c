"""CloudWatch for tests: a strict receiver of our own, and moto's server.

rules      what CloudWatch takes, as the pages of its API say
http       requests of AWS's clients: signatures, compression, faults
receiver   PutMetricData, PutLogEvents and what belongs to them, by these rules; tokens of STS
moto       moto's server in a process of its own, which answers what was stored
"""
