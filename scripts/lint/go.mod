// What make lint runs, pinned here and no part of satchel's own module.
module github.com/satchel-airgap/satchel/scripts/lint

go 1.26.0

tool honnef.co/go/tools/cmd/staticcheck

require (
	github.com/gostaticanalysis/nilerr v0.1.2
	github.com/nishanths/predeclared v0.3.1
	github.com/polyfloyd/go-errorlint v1.8.0
	github.com/sivchari/containedctx v1.0.3
	golang.org/x/tools v0.51.0
)

require (
	github.com/BurntSushi/toml v1.4.1-0.20240526193622-a339e1f7089c // indirect
	github.com/gostaticanalysis/comment v1.5.0 // indirect
	golang.org/x/exp/typeparams v0.0.0-20231108232855-2478ac86f678 // indirect
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/sync v0.23.0 // indirect
	honnef.co/go/tools v0.7.0 // indirect
)
