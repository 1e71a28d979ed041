package seal

// readmeSparse is what the sixth wording says of a bundle that leaves out what earlier ones
// brought.
const readmeSparse = `This bundle leaves out what earlier bundles brought into the mirror: alone it is not whole. satchel
unpack takes the rest from the mirror, and satchel inspect lists those bundles. Without satchel, open
them first, the oldest first, each as its own README.txt says and all with the same OUT. Then open
this one.

`
