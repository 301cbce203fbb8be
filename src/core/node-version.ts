// Which Node is new enough. The command and the library ask before they load what an older one cannot, so there is no syntax and no import here
// that an older one does not know.

/** What to tell whoever runs manyhands on a Node that is too old; undefined on any other. */
export function nodeIsTooOld(): string | undefined {
  const version = process.versions.node;
  if (Number(version.split(".")[0]) >= 24) return undefined;
  return `manyhands needs Node 24 or newer; this is Node ${version} (${process.execPath}). Install a current Node: https://nodejs.org`;
}
