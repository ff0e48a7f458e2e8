package parquet

import (
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// metadata is a file's footer, as far as it is used: what is not declared here is
// passed over, so that oddities in it do no harm.
type metadata struct {
	Schema    thrift.Slice[format.SchemaElement] `thrift:"2,required"`
	RowGroups thrift.Slice[rowGroup]             `thrift:"4,required"`
}

type rowGroup struct {
	Columns thrift.Slice[columnChunk] `thrift:"1,required"`
	NumRows int64                     `thrift:"3,required"`
}

type columnChunk struct {
	FilePath          string                      `thrift:"1,optional"`
	MetaData          columnMetaData              `thrift:"3,optional"`
	OffsetIndexOffset int64                       `thrift:"4,optional"`
	OffsetIndexLength int32                       `thrift:"5,optional"`
	ColumnIndexOffset int64                       `thrift:"6,optional"`
	ColumnIndexLength int32                       `thrift:"7,optional"`
	CryptoMetadata    format.ColumnCryptoMetaData `thrift:"8,optional"`
}

type columnMetaData struct {
	Type                 format.Type             `thrift:"1,required"`
	Codec                format.CompressionCodec `thrift:"4,required"`
	NumValues            int64                   `thrift:"5,required"`
	TotalRawSize         int64                   `thrift:"6,optional"`
	TotalCompressedSize  int64                   `thrift:"7,required"`
	DataPageOffset       int64                   `thrift:"9,required"`
	DictionaryPageOffset int64                   `thrift:"11,optional"`
	Statistics           statistics              `thrift:"12,optional"`
	BloomFilterOffset    int64                   `thrift:"14,optional"`
}

// statistics are those of a chunk whose order the format fixes: of the older
// bounds it does not say how they compare.
type statistics struct {
	NullCount *int64 `thrift:"3,optional"` // nil: not known
	MaxValue  []byte `thrift:"5,optional"`
	MinValue  []byte `thrift:"6,optional"`
}
