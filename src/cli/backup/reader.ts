/** As whom archives are written and proven: the role of `backup.user`, which reads everything and changes nothing; without one, the owner of the tables. */
import type { Surroundings } from './surroundings.js';

/** The same place, but for the role that its connections are made as. */
export function asReader(site: Surroundings): Surroundings {
  const { database, backup } = site.config;
  if (backup.user === null) return site;
  const role = { migrationUser: backup.user, migrationPassword: backup.password };
  return { ...site, config: { ...site.config, database: { ...database, ...role } } };
}
