package csv

import (
	"testing"

	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/connectortest"
	"github.com/millrace-engine/millrace/plan/sql"
)

// TestSpark: what differs knowingly is that odd quotes are errors in FAILFAST.
func TestSpark(t *testing.T) {
	connectortest.Spark(t, func() connector.Connector { return New() }, ".csv", sql.ParseSchema, "quote not closed, failfast")
}
