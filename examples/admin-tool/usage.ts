// What --help prints.

/** How the tool is called. */
export const usage = `Backs up a user's change log, checks backups, and brings them back.

  admin-tool export USER FILE    write the user's log to FILE and verify what was written
  admin-tool verify FILE         read a whole archive and tell everything that is wrong with it
  admin-tool show FILE           print what an archive says of itself, its events unread
  admin-tool restore USER FILE   tell what restoring an archive would do; with --write, do it

DATABASE_URL names the database of export and restore: postgres://role:password@host/database

export:
      --format FORMAT          archive (default), or jsonl: bare lines, which cannot be restored here
  -f, --force                  replace FILE, once the new one is verified
      --allow-empty            write a file although the log holds nothing of the user
      --sign KEY.pem           sign with this Ed25519 private key
  -r, --recipient age1…        seal for this age recipient; may be given again
  -R, --recipients-file FILE   seal for the recipients in FILE, one a line; may be given again
      --passphrase-file FILE   seal with the passphrase in the first line of FILE
  -i, --identity FILE          open what was sealed for recipients again, to verify it whole
verify, show, restore:
      --trusted-key KEY.pem    one of these Ed25519 public keys must have signed; may be given again
  -i, --identity FILE          open a sealed file with the age identities in FILE
      --passphrase-file FILE   open a sealed file with the passphrase in the first line of FILE
verify:
      --user USER              whose archive it must be
verify, restore:
      --expect-archive-id ID   the archive that it must be, and no older one
restore:
      --write                  write; without it nothing is changed
      --on-conflict POLICY     an event that is there with other content: stop (default),
                               keep-existing, or report, which keeps it too and lists every one
      --remap-user             copy another user's archive, with new event ids
      --batch-size LINES       commit after so many lines; an interrupted run is resumed by another
export, restore:
      --max-minutes MINUTES    how long it may take (default: 60)
      --explicit-filter-only   do without row-level security: for a role that it does not hold
everywhere:
      --json                   print the result, and a failure, as one line of JSON
      --progress               show progress although stderr is no terminal
      --audit-log FILE         append what was asked for, begun and done, as JSON lines
      --actor NAME             who is doing it, for the audit log (default: the system's user)
  -h, --help

Exit codes: 0 all is well; 1 failed, or problems were found; 2 wrong usage; 129, 130 or 143 stopped
by SIGHUP, SIGINT or SIGTERM.`;
