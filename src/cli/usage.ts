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
  user list             show all users
  user set-password NAME     give a user another password, read from standard input; ends their sessions
  user enable NAME, user disable NAME, user revoke-sessions NAME
  audit verify          compare the audit log with its seals; name what was changed, deleted or reordered
  audit export          write it as JSON lines, for keeping elsewhere and verifying there
  secrets renew         encrypt all secrets with the newest key of auth.encryption_key_file
  config check          read the configuration, and list its faults
  config appliance      print the config.yaml of an appliance
  config postgresql     print PostgreSQL's settings for this machine's memory and cores
  config nginx          print the web server's settings for this configuration
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

Options of migrate, user, secrets, config and doctor:
  --config FILE         as above
  --to NAME             migrate: stop after this migration
  --role ROLE           user create: ADMIN, OPERATOR or VIEWER (the default)
  --email ADDRESS       user create: default NAME@localhost
  --must-change-password     user create, user set-password: it has to be replaced at the next sign-in
  --json                doctor: for programs; the form is in docs/doctor.md

Options of audit:
  --config FILE         as above
  --file FILE           verify: an export instead of the database
  --anchor HASH         verify: the hash of a seal seen before must still be there
  --json                verify: for programs
  --from, --to MOMENT   export: only seals with entries of that time, e.g. 2026-01-31 or 2026-01-31T12:00:00Z
  --out FILE            export: a new file; default: standard output

Options of backup, backups and restore (docs/backup.md):
  --config FILE         as above
  --key-file FILE       backups, restore: the key of the archive, instead of backup.key_file
  --unsealed            backups, restore: accept an archive without a seal although there is a key
  --audit-faults        restore: accept an archive whose audit log is not what was sealed
  --force               restore: end all sessions at the database first

Options of agent:
  --server URL          the control plane, e.g. http://127.0.0.1:8080
  --token TOKEN         from the mutation issueAgentToken; better in QUANTIX_TOKEN, where "ps" does not show it
  --enrol TOKEN         of a new node: from createEnrolmentToken; better in QUANTIX_ENROL_TOKEN. The node's own token
                        goes to the token file, and is used from then on
  --token-file FILE     where an enrolled agent keeps its token (default: /var/lib/quantix-vdc/agent.json)
  --management-ip IP    where the node is administered (default: its first address)
  --simulate N          run N simulated nodes instead of this machine; the token is then an administrator's

  --version             print the version
  --help                print this

Exit codes: 0 done, 1 failed (doctor, audit verify: found a problem), 2 wrong usage or configuration.
Every configuration key can be given as a variable QUANTIX_<SECTION>_<KEY>; docs/configuration.md lists them.
`;
