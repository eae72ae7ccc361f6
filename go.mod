module github.com/seriesctl/seriesctl

go 1.26
