package report

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/bench/svg"
)

// Load inserts the files NAME.md that load tests left in folder into the document, at the mark of
// each NAME. It draws soak.csv, if that exists, into chart.
func Load(folder, document, chart string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.md"))
	if err != nil {
		return err
	}
	parts := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parts[strings.TrimSuffix(filepath.Base(file), ".md")] = string(text)
	}
	if err := Fill([]string{document}, parts); err != nil {
		return err
	}
	samples := filepath.Join(folder, "soak.csv")
	if _, err := os.Stat(samples); os.IsNotExist(err) {
		return nil
	}
	return drawSoak(samples, chart)
}

// gauges are the columns of the samples that a soak's chart shows, with their colors.
var gauges = []struct{ name, color string }{
	{"resident", svg.Blue}, {"kernel", svg.Green}, {"heap", svg.Red},
}

// drawSoak draws memory over time. The samples have a column "seconds"; the gauges are in bytes.
func drawSoak(samples, chart string) error {
	rows, err := readSamples(samples)
	if err != nil {
		return err
	}
	const (
		width, height = 760, 330
		left, right   = 56, 20
		top, bottom   = 84, 52
	)
	minutes := rows["seconds"][len(rows["seconds"])-1] / 60
	most := 0.0 // MiB
	for _, g := range gauges {
		most = max(most, slices.Max(rows[g.name])/(1<<20)*1.1)
	}
	d := svg.New("Memory during the soak test", width, height)
	x := func(minute float64) float64 { return left + (width-left-right)*minute/minutes }
	y := func(mib float64) float64 { return top + (height-top-bottom)*(1-mib/most) }
	d.Text(left, 30, 16, 0, svg.Bold, svg.Ink, "Memory during the soak test")
	for v := 0.0; v < most; v += 5 {
		d.Line(left, y(v), width-right, y(v), svg.Faint, 1)
		d.Text(left-8, y(v)+4, 12, 1, svg.Sans, svg.Ink, fmt.Sprintf("%.0f MiB", v))
	}
	for _, at := range []float64{0, minutes / 2, minutes} {
		d.Text(x(at), height-bottom+20, 12, at/minutes, svg.Sans, svg.Ink,
			fmt.Sprintf("%.2g minutes", at))
	}
	legend := float64(left)
	for _, g := range gauges {
		d.Printf(`<rect x="%g" y="46" width="12" height="12" fill="%s"/>`, legend, g.color)
		d.Text(legend+17, 57, 13, 0, svg.Sans, svg.Ink, g.name)
		legend += 40 + svg.Sans.Width(g.name, 13)
		var line strings.Builder
		for i, bytes := range rows[g.name] {
			fmt.Fprintf(&line, "%.1f,%.1f ", x(rows["seconds"][i]/60), y(bytes/(1<<20)))
		}
		d.Printf(`<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`,
			strings.TrimSpace(line.String()), g.color)
	}
	return os.WriteFile(chart, d.SVG(), 0o666)
}

// readSamples reads a file of comma-separated numbers, by the names of the columns.
func readSamples(name string) (map[string][]float64, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 2 {
		return nil, fmt.Errorf("%s: %d rows (%v)", name, len(rows), err)
	}
	columns := make(map[string][]float64)
	for i, column := range rows[0] {
		for _, row := range rows[1:] {
			v, err := strconv.ParseFloat(row[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			columns[column] = append(columns[column], v)
		}
	}
	for _, want := range []string{"seconds", "resident", "kernel", "heap"} {
		if columns[want] == nil {
			return nil, fmt.Errorf("%s has no column %s", name, want)
		}
	}
	return columns, nil
}
