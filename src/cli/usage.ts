/** The command line's own words: help, and the error for a wrong call. */

export class UsageError extends Error {}

export const HELP = `qx-controlplane: the control plane of a virtual datacenter

Usage: qx-controlplane [command] [options]

Commands:
  serve                 serve the API (the default)
  migrate up            bring the database to this program's schema
  migrate down          undo the newest migration, or all after --to NAME ("none": all)
  migrate status        show which migrations are applied
  user create NAME      create a user; the password is read from standard input
  doctor                look at everything it needs, and say what is wrong and what to do
  backup                write an archive of database, shared settings, configuration and keys, and prove that it restores
  backups               list the archives, and which of them this program can restore
  backups verify NAME   restore one into a scratch database and compare
  backups extract NAME  write its configuration and keys into the empty folder --to DIR
  restore NAME          put an archive in the place of the database; the old one is kept beside it
  restore --undo        put back the database that the last restore replaced
  agent                 run a hypervisor node's agent

Options of serve:
  --config FILE         read this file (default: /etc/quantix-vdc/config.yaml, if it is there)
  --dev                 everything in memory, with demo data and simulated nodes; lost on exit
  --host ADDRESS        listen here instead of server.host
  --port NUMBER         listen here instead of server.port; 0: any free port
  --log-level LEVEL     trace, debug, info, warn, error, fatal or silent

Options of migrate, user create and doctor:
  --config FILE         as above
  --to NAME             migrate: stop after this migration
  --role ROLE           user create: ADMIN, OPERATOR or VIEWER (the default)
  --email ADDRESS       user create: default NAME@localhost
  --json                doctor: for programs; the form is in docs/doctor.md

Options of backup, backups and restore (docs/backup.md):
  --config FILE         as above
  --key-file FILE       backups, restore: the key of the archive, instead of backup.key_file
  --unsealed            backups, restore: accept an archive without a seal although there is a key
  --force               restore: end all sessions at the database first

Options of agent:
  --server URL          the control plane, e.g. http://127.0.0.1:8080
  --token TOKEN         from the mutation issueAgentToken; better in QUANTIX_TOKEN, where "ps" does not show it
  --simulate N          run N simulated nodes instead of this machine; the token is then an administrator's

  --version             print the version
  --help                print this

Exit codes: 0 done, 1 failed (doctor: found a problem), 2 wrong usage or configuration.
Every configuration key can be given as a variable QUANTIX_<SECTION>_<KEY>; docs/configuration.md lists them.
`;
