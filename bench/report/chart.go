package report

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"

	"github.com/seed-41f70523/dtls-sctp/bench/association"
	"github.com/seed-41f70523/dtls-sctp/bench/core"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// A chart is curves over one axis. Both axes are logarithmic.
type chart struct {
	title, x, y string
	at          []int
	contest     func(at int) string
	figure      string
	times       float64
	who         []string
}

// Charts draws what r has into folder, as SVG.
func Charts(folder string, r *measure.Report) error {
	record := func(size int) string { return fmt.Sprintf("record/%d", size) }
	message := func(kind string) func(int) string {
		return func(size int) string { return fmt.Sprintf("%s/%d/1 associations/1 streams", kind, size) }
	}
	many := func(n int) string { return fmt.Sprintf("scale/%d associations", n) }
	counts := []int{10, 100, 1000, 10000}
	programs := []string{"dtls1.2", "dtls1.2 batch", "openssl", "auth in Go", "auth in C", "plain in Go", "plain in C"}
	scaled := []string{"dtls1.2", "auth in Go"}
	var failed []error
	for name, c := range map[string]chart{
		"records": {"A record sealed and opened", "bytes", "ns", core.Sizes, record, "both ns", 1,
			[]string{"aead", "dtls1.2", "dtls1.3", "crypto/tls 1.2", "crypto/tls 1.3", "pion/dtls"}},
		"discard":       {"Messages one way", "bytes", "messages/s", association.Sizes, message("discard"), "messages/s", 1, programs},
		"echo":          {"Echo, 32 messages under way", "bytes", "messages/s", association.Sizes, message("echo32"), "messages/s", 1, programs},
		"roundtrip":     {"Echo, one message under way", "bytes", "round trips/s", association.Sizes, message("echo1"), "messages/s", 1, programs},
		"scale-rate":    {"New associations", "associations", "associations/s", counts, many, scaleFigures[0], 1, scaled},
		"scale-memory":  {"Memory of the process for an idle association", "associations", "KiB", counts, many, scaleFigures[1], 1, scaled},
		"scale-kernel":  {"Memory of the kernel for both ends", "associations", "KiB", counts, many, scaleFigures[2], 1, scaled},
		"scale-streams": {"Messages of 1,024 bytes one way", "streams", "messages/s", []int{1, 4, 16, 64, 256, 1024}, func(n int) string { return fmt.Sprintf("scale/%d streams", n) }, "messages/s", 1, scaled},
	} {
		failed = append(failed, c.draw(r, filepath.Join(folder, name+".svg")))
	}
	return errors.Join(failed...)
}

func (c *chart) draw(r *measure.Report, file string) error {
	p := plot.New()
	p.Title.Text = c.title
	p.X.Label.Text, p.Y.Label.Text = c.x, c.y
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	ticks := make([]plot.Tick, len(c.at))
	for i, at := range c.at {
		ticks[i] = plot.Tick{Value: float64(at), Label: fmt.Sprint(at)}
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Tick.Marker = plot.LogTicks{Prec: -1}
	p.Add(plotter.NewGrid())
	var lines []any
	drawn := false
	for _, who := range c.who {
		var points plotter.XYs
		for _, at := range c.at {
			if v, ok := r.Value(c.contest(at), who, c.figure); ok && v > 0 {
				points = append(points, plotter.XY{X: float64(at), Y: v * c.times})
			}
		}
		if len(points) > 0 {
			drawn = true
			lines = append(lines, who, points)
		}
	}
	if !drawn {
		return nil // it was not measured
	}
	if err := plotutil.AddLinePoints(p, slices.Clip(lines)...); err != nil {
		return err
	}
	p.Legend.Top = true
	p.X.Max = 8 * float64(c.at[len(c.at)-1]) // room for the legend
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, file)
}
