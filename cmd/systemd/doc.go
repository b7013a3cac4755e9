// Package systemd tells the service manager that started klamm how it is: that it starts, and may take longer; that it takes
// clients; that its loops turn; that it stops (sd_notify(3), Type=notify in systemd.service(5)).
//
// Nothing else in klamm depends on it, and without a service manager that listens it does nothing. A [Service] belongs to the process that systemd started.
// Begin reading at service.go.
package systemd
