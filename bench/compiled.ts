/** Modules as `npm run build` compiled them, so that a bench that times a whole process does not time the stripping of types. */

/** `module`: its path in the repository without `.ts`. `Exports`: `typeof` the source's namespace. */
export async function compiled<Exports>(module: string): Promise<Exports> {
  return (await import(new URL(`../dist/${module}.js`, import.meta.url).href)) as Exports;
}
