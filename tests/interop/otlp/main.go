// The receiver of the OpenTelemetry collector, by itself: what it takes it writes to standard output, a line of JSON for each
// request. Its one argument is its configuration as the collector's files have it, in JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

type lines struct {
	mutex sync.Mutex
	out   *bufio.Writer
}

// write says one request; err is of the encoding.
func (l *lines) write(signal string, content []byte, err error) error {
	if err != nil {
		return err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	fmt.Fprintf(l.out, "%s %s\n", signal, content)
	return l.out.Flush()
}

func main() {
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(configuration string) error {
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	var given map[string]any
	if err := json.Unmarshal([]byte(configuration), &given); err != nil {
		return err
	}
	if err := confmap.NewFromStringMap(given).Unmarshal(config); err != nil {
		return err
	}
	ctx := context.Background()
	receivers, err := receivers(ctx, factory, config, &lines{out: bufio.NewWriter(os.Stdout)})
	if err != nil {
		return err
	}
	for _, each := range receivers {
		if err := each.Start(ctx, componenttest.NewNopHost()); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
	for _, each := range receivers {
		if err := each.Shutdown(ctx); err != nil {
			return err
		}
	}
	return nil
}

// receivers are three faces of one server, as the factory shares it.
func receivers(ctx context.Context, factory receiver.Factory, config component.Config, out *lines) ([]component.Component, error) {
	settings := receivertest.NewNopSettings(factory.Type())
	metricsTo, _ := consumer.NewMetrics(func(_ context.Context, found pmetric.Metrics) error {
		content, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(found)
		return out.write("metrics", content, err)
	})
	logsTo, _ := consumer.NewLogs(func(_ context.Context, found plog.Logs) error {
		content, err := (&plog.JSONMarshaler{}).MarshalLogs(found)
		return out.write("logs", content, err)
	})
	tracesTo, _ := consumer.NewTraces(func(_ context.Context, found ptrace.Traces) error {
		content, err := (&ptrace.JSONMarshaler{}).MarshalTraces(found)
		return out.write("traces", content, err)
	})
	metrics, err := factory.CreateMetrics(ctx, settings, config, metricsTo)
	if err != nil {
		return nil, err
	}
	logs, err := factory.CreateLogs(ctx, settings, config, logsTo)
	if err != nil {
		return nil, err
	}
	traces, err := factory.CreateTraces(ctx, settings, config, tracesTo)
	return []component.Component{metrics, logs, traces}, err
}
