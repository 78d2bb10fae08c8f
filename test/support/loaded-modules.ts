/** `node --import` this: the URL of each module that is loaded goes into the file that LOADED_MODULES names, a line each. */
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const list = process.env['LOADED_MODULES'] ?? '';
registerHooks({
  load(url, context, next) {
    appendFileSync(list, `${url}\n`);
    return next(url, context);
  },
});
