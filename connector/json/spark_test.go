package json

import (
	"testing"

	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/connectortest"
	"github.com/millrace-engine/millrace/plan/sql"
)

func TestSpark(t *testing.T) {
	connectortest.Spark(t, func() connector.Connector { return New() }, ".json", sql.ParseSchema)
}
