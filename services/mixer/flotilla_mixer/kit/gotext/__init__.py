"""Go's text templates, which 1.4's adapters take for names and payloads: `{{.apiMethod}}-{{.responseCode}}`.

    scan      text and actions; the words of an action
    parse     words to a tree
    run       a tree and values to text
    functions what templates may call
    methods   what they may call of times, spans and addresses

`template(text)` is all that adapters need. Of Go's language there are fields, variables, pipelines, literals, `if`, `with`,
`range`, comments, trimmed space, methods of times, and the functions that neither call nor escape; `define`, `template`,
`block`, `break` and `continue` are refused.
"""

from flotilla_mixer.kit.gotext.errors import TemplateError
from flotilla_mixer.kit.gotext.run import Template, template

__all__ = ["Template", "TemplateError", "template"]
