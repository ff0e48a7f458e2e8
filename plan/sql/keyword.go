package sql

// keyword is a word that the grammar knows. All of them may still be names
// where that is not ambiguous, as in Spark's default mode.
type keyword uint8

// The keywords.
const (
	none keyword = iota
	kAll
	kAnalyze
	kAnd
	kAnti
	kAny
	kArray
	kAs
	kAsc
	kBetween
	kBoth
	kBy
	kCase
	kCast
	kCluster
	kCodegen
	kColumns
	kComment
	kCost
	kCreate
	kCross
	kCube
	kCurrent
	kDate
	kDesc
	kDescribe
	kDirectory
	kDistinct
	kDistribute
	kDiv
	kDrop
	kElse
	kEnd
	kEscape
	kExcept
	kExists
	kExplain
	kExtended
	kExtract
	kFalse
	kFilter
	kFirst
	kFollowing
	kFor
	kFormatted
	kFrom
	kFull
	kFunction
	kFunctions
	kGlobal
	kGroup
	kGrouping
	kHaving
	kIf
	kIgnore
	kIlike
	kIn
	kInner
	kInsert
	kIntersect
	kInterval
	kInto
	kIs
	kJoin
	kLast
	kLateral
	kLeading
	kLeft
	kLike
	kLimit
	kLocal
	kLogical
	kMap
	kMinus
	kNatural
	kNot
	kNull
	kNulls
	kOffset
	kOn
	kOptions
	kOr
	kOrder
	kOuter
	kOver
	kOverlay
	kOverwrite
	kPartition
	kPartitioned
	kPivot
	kPlacing
	kPosition
	kPreceding
	kQualify
	kQuery
	kRange
	kRecursive
	kRegexp
	kReplace
	kReset
	kRespect
	kRight
	kRlike
	kRollup
	kRow
	kRows
	kSelect
	kSemi
	kSet
	kSets
	kSettings
	kShow
	kSome
	kSort
	kStruct
	kSubstr
	kSubstring
	kTable
	kTables
	kTablesample
	kTemp
	kTemporary
	kThen
	kTime
	kTimestamp
	kTimestampLTZ
	kTimestampNTZ
	kTo
	kTrailing
	kTrim
	kTrue
	kTryCast
	kUnbounded
	kUnion
	kUnknown
	kUnpivot
	kUsing
	kValues
	kView
	kViews
	kWhen
	kWhere
	kWindow
	kWith
	kWithin
	kX
	numKeywords
)

// words are the keywords' spellings.
var words = [numKeywords]string{
	kAll: "ALL", kAnalyze: "ANALYZE", kAnd: "AND", kAnti: "ANTI", kAny: "ANY", kArray: "ARRAY", kAs: "AS",
	kAsc: "ASC", kBetween: "BETWEEN", kBoth: "BOTH", kBy: "BY", kCase: "CASE", kCast: "CAST",
	kCluster: "CLUSTER", kCodegen: "CODEGEN", kColumns: "COLUMNS", kComment: "COMMENT", kCost: "COST",
	kCreate: "CREATE", kCross: "CROSS", kCube: "CUBE", kCurrent: "CURRENT", kDate: "DATE", kDesc: "DESC",
	kDescribe: "DESCRIBE", kDirectory: "DIRECTORY", kDistinct: "DISTINCT", kDistribute: "DISTRIBUTE",
	kDiv: "DIV", kDrop: "DROP", kElse: "ELSE", kEnd: "END", kEscape: "ESCAPE", kExcept: "EXCEPT",
	kExists: "EXISTS", kExplain: "EXPLAIN", kExtended: "EXTENDED", kExtract: "EXTRACT", kFalse: "FALSE",
	kFilter: "FILTER", kFirst: "FIRST", kFollowing: "FOLLOWING", kFor: "FOR", kFormatted: "FORMATTED",
	kFrom: "FROM", kFull: "FULL", kFunction: "FUNCTION", kFunctions: "FUNCTIONS", kGlobal: "GLOBAL",
	kGroup: "GROUP", kGrouping: "GROUPING", kHaving: "HAVING", kIf: "IF", kIgnore: "IGNORE", kIlike: "ILIKE",
	kIn: "IN", kInner: "INNER", kInsert: "INSERT", kIntersect: "INTERSECT", kInterval: "INTERVAL",
	kInto: "INTO", kIs: "IS", kJoin: "JOIN", kLast: "LAST", kLateral: "LATERAL", kLeading: "LEADING",
	kLeft: "LEFT", kLike: "LIKE", kLimit: "LIMIT", kLocal: "LOCAL", kLogical: "LOGICAL", kMap: "MAP",
	kMinus: "MINUS", kNatural: "NATURAL", kNot: "NOT", kNull: "NULL", kNulls: "NULLS", kOffset: "OFFSET",
	kOn: "ON", kOptions: "OPTIONS", kOr: "OR", kOrder: "ORDER", kOuter: "OUTER", kOver: "OVER",
	kOverlay: "OVERLAY", kOverwrite: "OVERWRITE", kPartition: "PARTITION", kPartitioned: "PARTITIONED",
	kPivot: "PIVOT", kPlacing: "PLACING", kPosition: "POSITION", kPreceding: "PRECEDING",
	kQualify: "QUALIFY", kQuery: "QUERY", kRange: "RANGE", kRecursive: "RECURSIVE", kRegexp: "REGEXP",
	kReplace: "REPLACE", kReset: "RESET", kRespect: "RESPECT", kRight: "RIGHT", kRlike: "RLIKE",
	kRollup: "ROLLUP", kRow: "ROW", kRows: "ROWS", kSelect: "SELECT", kSemi: "SEMI", kSet: "SET",
	kSets: "SETS", kSettings: "SETTINGS", kShow: "SHOW", kSome: "SOME", kSort: "SORT", kStruct: "STRUCT",
	kSubstr: "SUBSTR", kSubstring: "SUBSTRING", kTable: "TABLE", kTables: "TABLES",
	kTablesample: "TABLESAMPLE", kTemp: "TEMP", kTemporary: "TEMPORARY", kThen: "THEN", kTime: "TIME",
	kTimestamp: "TIMESTAMP", kTimestampLTZ: "TIMESTAMP_LTZ", kTimestampNTZ: "TIMESTAMP_NTZ", kTo: "TO",
	kTrailing: "TRAILING", kTrim: "TRIM", kTrue: "TRUE", kTryCast: "TRY_CAST", kUnbounded: "UNBOUNDED",
	kUnion: "UNION", kUnknown: "UNKNOWN", kUnpivot: "UNPIVOT", kUsing: "USING", kValues: "VALUES",
	kView: "VIEW", kViews: "VIEWS", kWhen: "WHEN", kWhere: "WHERE", kWindow: "WINDOW", kWith: "WITH",
	kWithin: "WITHIN", kX: "X",
}

// wordSet answers whether a keyword belongs to a set.
type wordSet [numKeywords]bool

func setOf(sets ...[]keyword) (s wordSet) {
	for _, ks := range sets {
		for _, k := range ks {
			s[k] = true
		}
	}
	return s
}

// clauseWords begin or separate clauses: they end an expression, and are no
// implicit aliases.
var clauseWords = []keyword{
	kFrom, kWhere, kGroup, kHaving, kOrder, kSort, kCluster, kDistribute, kLimit, kOffset, kUnion, kIntersect,
	kExcept, kMinus, kWindow, kQualify, kLateral, kOn, kUsing, kJoin, kInner, kCross, kLeft, kRight, kFull,
	kNatural, kSemi, kAnti, kAs, kPivot, kUnpivot, kTablesample, kSelect, kWith,
}

// operandWords stand inside expressions, where a name would be ambiguous.
var operandWords = []keyword{
	kAnd, kOr, kNot, kIn, kIs, kBetween, kLike, kIlike, kRlike, kRegexp, kDiv, kWhen, kThen, kElse, kEnd, kEscape,
	kAsc, kDesc, kNulls, kFor, kPlacing, kBy, kDistinct, kExists, kCase, kNull, kTrue, kFalse, kTo,
}

// The places where names are restricted.
var (
	noAlias = setOf(clauseWords, operandWords, []keyword{kOptions, kSet})
	noName  = setOf(clauseWords, operandWords)
	// soft are restricted names that are columns where nothing else is possible.
	soft = setOf([]keyword{
		kLeft, kRight, kFull, kCross, kInner, kSemi, kAnti, kNatural, kWindow, kOffset, kMinus, kLateral, kPivot,
		kUnpivot, kQualify, kCluster, kSort, kDistribute, kTo, kFor, kPlacing, kAsc, kDesc, kNulls, kBy, kEscape,
		kRegexp,
	})
	// afterQuery may follow a whole query operand: set operations and ordering.
	afterQuery = setOf([]keyword{kUnion, kIntersect, kExcept, kMinus, kOrder, kLimit, kOffset, kSort, kCluster, kDistribute})
)

// lookup finds the keyword of a word, whatever its case.
func lookup(word string) keyword {
	var buf [16]byte
	if len(word) > len(buf) {
		return none
	}
	for i := 0; i < len(word); i++ {
		c := word[i]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		buf[i] = c
	}
	return keywords[string(buf[:len(word)])]
}

var keywords = func() map[string]keyword {
	m := make(map[string]keyword, numKeywords)
	for k := none + 1; k < numKeywords; k++ {
		m[words[k]] = k
	}
	return m
}()
