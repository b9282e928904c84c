"""Analysis: what is wrong between objects, each of which may be right by itself.

    texts, a cluster -> reading.py -> ResourceSet -> run.py (every analyzer of registry.py) -> Messages

An analyzer is one module under `analyzers/`. To add one:

1. Write `analyzers/<group>_<subject>.py`. It has a constant `ANALYZER = Analyzer(name, description, reads, ...)` with Istio's
   name for it, such as `gateway.CertificateAnalyzer`. `reads` are all the collections that it looks at: of Istio's kinds by
   `flotilla_shared.model.kinds`, of Kubernetes' own by `analysis.kinds`. What is not declared cannot be read.
2. Give it one of two functions, or both: `each` maps a collection to `look(resource, view) -> Iterable[Message]`, called
   with every object of that collection; `whole(view) -> Iterable[Message]` is called once. Prefer `each`: when it
   raises, only the one object's messages are lost.
3. `resource.spec` of Istio's kinds is the message of protobuf, with what does not fit left out. Kubernetes' own objects are
   plain data that may have any form: read them through `analysis.fields`, which never raises. What is costly to make and
   useful to several objects is a function of a view that is called through `view.once(function)`.
4. Tell what was found by `tell("NameOfTheType", resource, "spec.http[0]", parameter=...)`. Types stand in `messages.yaml`
   with their texts; a test holds every `tell` against them.
5. Add the module to `registry.py`, and a case to the grid: `test_galley_analysis_grid.py` names those without one.
6. Give each new code an example in `examples/`, and write the pages: `python -m flotilla_galley.analysis.pages docs/reference`.

`analyzers_of_1_4/` holds those of Istio 1.4 that decide otherwise than today's; the others serve both.
"""
