// The client by which istiod reads foreign configuration (configSources: xds://), with nothing else of istiod: prints what it holds,
// a line of JSON whenever that has changed, once it has synced.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"istio.io/istio/pilot/pkg/config/memory"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/adsc"
	"istio.io/istio/pkg/config/schema/collections"
)

type object struct {
	Version string            `json:"version"`
	Labels  map[string]string `json:"labels"`
	Spec    json.RawMessage   `json:"spec"`
}

type state struct {
	TrustDomain string                       `json:"trustDomain"`
	Objects     map[string]map[string]object `json:"objects"`
}

func main() {
	address := flag.String("address", "", "host:port of the server")
	certs := flag.String("certs", "", "folder with root-cert.pem, cert-chain.pem and key.pem")
	name := flag.String("name", "", "DNS name in the server's certificate")
	revision := flag.String("revision", "default", "revision of the control plane")
	flag.Parse()

	client, err := adsc.New(*address, &adsc.ADSConfig{
		InitialDiscoveryRequests: adsc.ConfigInitialRequests(),
		Config: adsc.Config{
			Namespace: "istio-system",
			Workload:  "istiod-1",
			Revision:  *revision,
			CertDir:   *certs,
			XDSSAN:    *name,
			Meta:      model.NodeMetadata{Generator: "api", IstioRevision: *revision}.ToStruct(),
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	store := memory.Make(collections.Pilot)
	client.Store = store
	if err := client.Run(); err != nil {
		log.Fatal(err)
	}
	var last []byte
	for ; ; time.Sleep(20 * time.Millisecond) {
		if !client.HasSynced() {
			continue
		}
		now := held(client, store)
		if !bytes.Equal(now, last) {
			fmt.Println(string(now))
			last = now
		}
	}
}

func held(client *adsc.ADSC, store model.ConfigStore) []byte {
	found := state{Objects: map[string]map[string]object{}}
	if mesh := client.Mesh; mesh != nil {
		found.TrustDomain = mesh.TrustDomain
	}
	for _, schema := range collections.Pilot.All() {
		kind := schema.GroupVersionKind()
		objects := map[string]object{}
		for _, each := range store.List(kind, "") {
			spec, err := protojson.Marshal(each.Spec.(proto.Message))
			if err != nil {
				log.Fatal(err)
			}
			objects[each.Namespace+"/"+each.Name] = object{each.ResourceVersion, each.Labels, spec}
		}
		found.Objects[kind.String()] = objects
	}
	out, err := json.Marshal(found)
	if err != nil {
		log.Fatal(err)
	}
	return out
}
