// Tells on the first page that something lies on this device.

import { answers, lists, tidy } from "./device.js";

await tidy();
if ((await lists()).length || (await answers()).length) document.querySelector("[data-on-device]").hidden = false;
