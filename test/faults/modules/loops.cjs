'use strict'
// Never ends to load.
for (;;);
