module forkloop/apps/go

go 1.22
