// Tracing is a client of an echo server that tells OpenTelemetry of its handshake and of its new
// keys.
//
//	tracing CERTS ADDRESS
//
// CERTS is a folder that “sctp-echo certs” made. The spans are printed as JSON; take another
// exporter to send them somewhere.
package main

import (
	"context"
	"log"
	"os"

	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/seed-41f70523/dtls-sctp/examples/internal/files"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

func main() {
	exporter, err := stdouttrace.New()
	if err != nil {
		log.Fatal(err)
	}
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter))
	tracer := provider.Tracer("github.com/seed-41f70523/dtls-sctp/examples/tracing")

	ctx, request := tracer.Start(context.Background(), "request")
	conn, err := dial(ctx, tracer, os.Args[2], files.Config(os.Args[1], "client"))
	if err != nil {
		log.Fatal(err)
	}
	if err := echo(ctx, conn); err != nil {
		log.Fatal(err)
	}
	request.End()
	if err := conn.Close(); err != nil {
		log.Fatal(err)
	}
	if err := provider.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}

// echo sends a message under the keys of the handshake, and one under new ones.
func echo(ctx context.Context, conn *sctpdtls.Conn) error {
	if err := ping(conn); err != nil {
		return err
	}
	if err := conn.KeyUpdate(ctx, sctpdtls.UpdateNotRequested); err != nil {
		return err
	}
	return ping(conn)
}

func ping(conn *sctpdtls.Conn) error {
	if err := conn.WriteMessage([]byte("ping"), sctpdtls.MessageInfo{}); err != nil {
		return err
	}
	_, _, err := conn.ReadMessage(make([]byte, sctpdtls.MaxMessageSize))
	return err
}
