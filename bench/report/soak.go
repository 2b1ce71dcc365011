package report

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// Load puts what the tests of load have left in folder, Markdown in files NAME.md, into the
// document, each where it has a place for NAME, and draws soak.csv, if it is there, into chart.
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
	if err := Fill(document, parts); err != nil {
		return err
	}
	samples := filepath.Join(folder, "soak.csv")
	if _, err := os.Stat(samples); os.IsNotExist(err) {
		return nil
	}
	return drawSoak(samples, chart)
}

// drawSoak draws memory over time. The samples have a column “seconds”, and the others in
// bytes.
func drawSoak(samples, chart string) error {
	f, err := os.Open(samples)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 2 {
		return fmt.Errorf("%s: %d rows (%v)", samples, len(rows), err)
	}
	at := slices.Index(rows[0], "seconds")
	p := plot.New()
	p.Title.Text = "Memory in the course of the soak"
	p.X.Label.Text, p.Y.Label.Text = "minutes", "MiB"
	p.Y.Min = 0
	p.Add(plotter.NewGrid())
	var lines []any
	for _, name := range []string{"resident", "kernel", "heap"} {
		column := slices.Index(rows[0], name)
		if at < 0 || column < 0 {
			return fmt.Errorf("%s has no column %s, or none of seconds", samples, name)
		}
		var points plotter.XYs
		for _, row := range rows[1:] {
			seconds, err := strconv.ParseFloat(row[at], 64)
			if err != nil {
				return err
			}
			bytes, err := strconv.ParseFloat(row[column], 64)
			if err != nil {
				return err
			}
			points = append(points, plotter.XY{X: seconds / 60, Y: bytes / (1 << 20)})
			p.Y.Max = max(p.Y.Max, bytes/(1<<20)*1.3) // room for the legend
		}
		lines = append(lines, name, points)
	}
	if err := plotutil.AddLines(p, lines...); err != nil {
		return err
	}
	p.Legend.Top = true
	return p.Save(16*vg.Centimeter, 8*vg.Centimeter, chart)
}
