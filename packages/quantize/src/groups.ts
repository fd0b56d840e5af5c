import type { ActivationSite } from './sites.ts'

/** The sites that share one scale, by group, in the order of the sites. */
export function groupsOf(sites: readonly ActivationSite[]): ReadonlyMap<string, readonly ActivationSite[]> {
  const groups = new Map<string, ActivationSite[]>()
  for (const site of sites) {
    const members = groups.get(site.group)
    if (members) members.push(site)
    else groups.set(site.group, [site])
  }
  return groups
}
