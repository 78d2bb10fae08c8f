/** Other people's programs that tests run against. Where one is missing its tests are skipped by name, and in CI they fail. */

/** Whether to skip. Throws with `STORESTOW_REQUIRE_PEERS=1`, so that no run there passes without its peers. */
export function requirePeer(name: string, available: boolean): boolean {
  if (available) return false;
  if (process.env['STORESTOW_REQUIRE_PEERS'] === '1')
    throw new Error(`${name} is not installed, and STORESTOW_REQUIRE_PEERS=1 does not let its tests be skipped`);
  console.warn(`skipped: ${name} is not installed`);
  return true;
}

/** The same for what no installation gives, only the machine (mounts, namespaces, tracing): skipped by name, in CI too. */
export function requireLeave(what: string, given: boolean): boolean {
  if (given) return false;
  console.warn(`skipped: this machine gives no leave to ${what}`);
  return true;
}
