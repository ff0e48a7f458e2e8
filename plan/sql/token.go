package sql

import "github.com/millrace-engine/millrace/internal/diag"

// kind is the kind of a token.
type kind uint8

// The kinds. tWord is an unquoted identifier or keyword; the number kinds say
// how the number is written, its suffix included.
const (
	tEOF kind = iota
	tWord
	tQuoted // `…`
	tString // '…' or "…", r'…'
	tInt
	tDecimal
	tExponent
	tComma
	tDot
	tOpen
	tClose
	tOpenBracket
	tCloseBracket
	tSemicolon
	tPlus
	tMinus
	tStar
	tSlash
	tPercent
	tEq
	tNullSafeEq
	tNotEq
	tLess
	tLessEq
	tGreater
	tGreaterEq
	tShiftLeft
	tShiftRight
	tShiftRightUnsigned
	tPipe
	tConcat
	tAmpersand
	tHat
	tTilde
	tBang
	tColon
	tDoubleColon
	tArrow    // ->
	tFatArrow // =>
	tQuestion
	tPipeline // |>
)

// token is a piece of the text: [pos, end).
type token struct {
	kind     kind
	kw       keyword
	pos, end int32
}

// place is the token's place for nodes and errors.
func (t token) place() diag.Pos { return diag.At(int(t.pos)) }
