package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// colours of the engines; readable on white, and apart for the colour-blind
// (Okabe and Ito).
var colours = map[string]string{us: "#0072B2", "duckdb": "#E69F00", "polars": "#009E73", "datafusion": "#CC79A7", "spark": "#D55E00"}

func colour(engine string) string {
	if c, ok := colours[engine]; ok {
		return c
	}
	return "#666666"
}

// Sizes of a chart in pixels.
const (
	chartWidth = 760
	labelWidth = 110
	plotRight  = chartWidth - 90
	barHeight  = 18
	rowHeight  = 17
	chartTop   = 46
)

// chart draws a run: above, each engine's total as a bar; below, a row for each
// query with a dot for each rival, at its time ÷ Millrace's, on a logarithmic
// axis: dots right of the line are slower than Millrace.
func chart(r Run) string {
	var b strings.Builder
	bars := len(r.Engines)
	axis := chartTop + bars*(barHeight+4) + 58
	height := axis + len(r.Queries)*rowHeight + 34
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12">`+"\n", chartWidth, height, chartWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="6" fill="#ffffff" stroke="#dddddd"/>`+"\n", chartWidth, height)
	text(&b, 14, 24, "start", "14", fmt.Sprintf("%s, %d threads: total time", label(r), r.Threads))
	totals(&b, r)
	text(&b, 14, axis-30, "start", "14", "time ÷ Millrace's, by query")
	dots(&b, r, axis)
	b.WriteString("</svg>\n")
	return b.String()
}

func text(b *strings.Builder, x, y int, anchor, size, s string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="%s" font-size="%s" fill="#222222">%s</text>`+"\n", x, y, anchor, size, html.EscapeString(s))
}

// totals draws a bar per engine: its medians summed over the queries that all
// engines answered.
func totals(b *strings.Builder, r Run) {
	sums := map[string]float64{}
	common := 0
	for _, q := range r.Queries {
		all := true
		for _, e := range r.Engines {
			all = all && q.Engines[e.Name].OK()
		}
		if !all {
			continue
		}
		common++
		for _, e := range r.Engines {
			sums[e.Name] += q.Engines[e.Name].Median
		}
	}
	most := 0.0
	for _, s := range sums {
		most = math.Max(most, s)
	}
	for i, e := range r.Engines {
		y := chartTop + i*(barHeight+4)
		text(b, labelWidth-8, y+13, "end", "12", e.Name)
		if most == 0 {
			continue
		}
		width := sums[e.Name] / most * float64(plotRight-labelWidth)
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", labelWidth, y, width, barHeight, colour(e.Name))
		text(b, labelWidth+int(width)+6, y+13, "start", "12", seconds(sums[e.Name]))
	}
	if common < len(r.Queries) {
		text(b, labelWidth, chartTop+len(r.Engines)*(barHeight+4)+12, "start", "11", fmt.Sprintf("over the %d of %d queries that all engines answered", common, len(r.Queries)))
	}
}

func seconds(ms float64) string {
	if ms < 1000 {
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.2f s", ms/1000)
}

// dots draws the ratios by query.
func dots(b *strings.Builder, r Run, top int) {
	lo, hi := 0.5, 2.0
	for _, q := range r.Queries {
		for _, rival := range r.rivals() {
			if a, x := q.Engines[us], q.Engines[rival]; a.OK() && x.OK() {
				lo, hi = math.Min(lo, x.Median/a.Median), math.Max(hi, x.Median/a.Median)
			}
		}
	}
	lo, hi = math.Pow(2, math.Floor(math.Log2(lo))), math.Pow(2, math.Ceil(math.Log2(hi)))
	at := func(x float64) float64 {
		return labelWidth + math.Log(x/lo)/math.Log(hi/lo)*float64(plotRight-labelWidth)
	}
	bottom := top + len(r.Queries)*rowHeight
	for x := lo; x <= hi; x *= 2 {
		stroke := "#e6e6e6"
		if x == 1 {
			stroke = colour(us)
		}
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s"/>`+"\n", at(x), top-4, at(x), bottom, stroke)
		text(b, int(at(x)), top-8, "middle", "11", fmt.Sprintf("%g", x))
	}
	for i, q := range r.Queries {
		y := top + i*rowHeight + rowHeight/2
		text(b, labelWidth-8, y+4, "end", "11", q.Name)
		for _, rival := range r.rivals() {
			if a, x := q.Engines[us], q.Engines[rival]; a.OK() && x.OK() {
				fmt.Fprintf(b, `<circle cx="%.1f" cy="%d" r="4" fill="%s" fill-opacity="0.85"><title>%s</title></circle>`+"\n", at(x.Median/a.Median), y, colour(rival),
					html.EscapeString(fmt.Sprintf("%s, %s: %.2f", q.Name, rival, x.Median/a.Median)))
			}
		}
	}
	x := labelWidth
	for _, rival := range r.rivals() {
		fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="4" fill="%s"/>`+"\n", x, bottom+18, colour(rival))
		text(b, x+8, bottom+22, "start", "11", rival)
		x += 100
	}
	text(b, plotRight, bottom+22, "end", "11", "right of 1: slower than Millrace")
}
