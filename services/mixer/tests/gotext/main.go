// Runs templates as Go does: a JSON text a line in, {"text":...} or {"error":...} a line out.
package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"strings"
	"text/template"
	"time"
)

var values = map[string]interface{}{
	"method": "GET", "code": int64(500), "zero": int64(0), "negative": int64(-7), "empty": "", "odd": "a\"b ü",
	"ratio": 1.5, "whole": 100.0, "small": 0.00001, "large": 1e21, "yes": true, "no": false,
	"took": 1500 * time.Microsecond, "when": time.Unix(1767225600, 500000000).UTC(),
	"ip": net.ParseIP("10.0.0.1"), "labels": map[string]string{"version": "v1", "app": "reviews"},
	"none": map[string]string{},
}

func run(text string) map[string]string {
	parsed, err := template.New("").Parse(text)
	if err != nil {
		return map[string]string{"error": "parse"}
	}
	var out strings.Builder
	if err := parsed.Execute(&out, values); err != nil {
		return map[string]string{"error": "run"}
	}
	return map[string]string{"text": out.String()}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			panic(err)
		}
		encoder.Encode(run(text))
	}
}
