/** What a host sends, and what a reader has to say to it: hex, as the beginning of a regular expression. */
type Exchange = readonly [sent: string, told: string]

export interface HostSession {
  readonly profile: string
  /** Whose bytes these are. */
  readonly host: string
  readonly exchanges: readonly Exchange[]
}

/** ASCII lines as the hex that goes over the line. */
const line = (text: string) => Buffer.from(`${text}\r`).toString('hex')

/** An acknowledgement, and then the reply. */
const acknowledged = (reply: string) => `0000ff00ff00${reply}`

/**
 * Start-up and first reads of other people's host software, byte for byte: recorded while it ran against these simulated
 * readers, or computed by hand from the protocol's document where it says so.
 */
export const HOST_SESSIONS: readonly HostSession[] = [
  {
    profile: 'thingmagic-mercury',
    host: 'Mercury API in C (tosog/mercury@ae958b8), its sample read.c and its serial number',
    exchanges: [
      ['ffffffffffffffffff000c1d03', 'ff010c0000126343'],
      ['ff00031d0c', 'ff1403000017121300'],
      ['ff00681d67', 'ff0168000000a4bf'],
      ['ff026a010e2e40', 'ff036a0000010e003044'],
      ['ff04060001c200a460', 'ff00060000e406'],
      ['ff026a01122e5c', 'ff046a000001120000'],
      ['ff00631d6c', 'ff02630000000521'],
      ['ff00701d7f', 'ff027000000005'],
      ['ff016105bdb8', 'ff096100000501010201'],
      ['ff026a010c2e42', 'ff036a0000010c00'],
      ['ff026a010d2e43', 'ff036a0000010d00'],
      ['ff00671d68', 'ff0167000000b481'],
      ['ff00711d7e', 'ff0771000001020306080b0c'],
      ['ff0197014bbc', 'ff00970000779e'],
      ['ff00671d68', 'ff0167000001b480'],
      ['ff016200bebd', 'ff03620000000a8ca12a'],
      ['ff026a01042e4a', 'ff036a0000010400'],
      ['ff036c019f41897b', 'ff036c0000019f41'],
      ['ff002a1d25', 'ff002a000001e8'],
      ['ff039102010142c5', 'ff009100001758'],
      ['ff039a010c01a35c', 'ff009a0000a633'],
      ['ff072210001301f40fff3242', 'ff072200001000130000000[1-9]'],
      ['ff03290fff00facd', 'ff..2900000fff000[1-9]'],
      ['ff00291d26', 'ff042900000000000'],
      ['ff02100040f0d3', 'ff..10000000400'],
      ['ff102f00000122000005072210001b00fa0fffb40b', 'ff072f000001220000050722'],
      ['ff032f0000025e86', '(?:ff..22.*)?ff012f00000230e6$'],
    ],
  },
  {
    profile: 'thingmagic-mercury',
    host: 'SparkFun library (sparkfun/SparkFun_Simultaneous_RFID_Tag_Reader_Library@d52c969), its example of constant reads',
    exchanges: [
      ['ff04060001c200a460', 'ff00060000e406'],
      ['ff00031d0c', 'ff14030000'],
      ['ff02930005517d', 'ff00930000371a'],
      ['ff02910101703b', 'ff009100001758'],
      ['ff01970d4bb0', 'ff00970000779e'],
      ['ff029201f440ad', 'ff00920000273b'],
      ['ff039a010c00a35d', 'ff009a0000a633'],
    ],
  },
  {
    profile: 'magicrf-r200',
    host: 'yrm100lib (anteploon/yrm100lib@bc427a0), its example.c',
    exchanges: [
      ['bb0003000102067e', 'bb010300'],
      ['bb0003000100047e', 'bb010300'],
      ['bb0003000101057e', 'bb010300'],
      ['bb001d0001001e7e', 'bb011d0001'],
      ['bb00b0000100b17e', 'bb01b0000100b27e'],
      ['bb0007000101097e', 'bb0107000100097e'],
      ['bb000c00134000000020600030751feb705c5904e3d50d70ec7e', 'bb010c0001000e7e'],
      ['bb0012000101147e', 'bb0112000100147e'],
      ['bb00b70000b77e', 'bb01b7000207d0917e'],
      ['bb00080000087e', 'bb01080001010b7e'],
      ['bb00220000227e', 'bb0222'],
    ],
  },
  {
    profile: 'chafon-uhfreader18',
    host: 'chafon-rfid (wabson/chafon-rfid@05b55f3), examples/continuous-read.py',
    exchanges: [
      ['04ff211995', '0d0021000119'],
      ['0aff35000000000000e87e', '050035006ca5'],
      ['05ff2f1b2ca5', '05002f008dcd'],
      ['04ff011bb4', '..00010[1-4]0[1-9]'],
    ],
  },
  {
    profile: 'chafon-uhfreader288',
    host: 'chafon-rfid (wabson/chafon-rfid@05b55f3), examples/continuous-read.py',
    exchanges: [
      ['04ff211995', '11002100'],
      ['05ff7600910f', '0500760062c9'],
      ['05ff2f1b2ca5', '05002f008dcd'],
      ['0dff010400010000000080140d93', '..00010[1-4]010[1-9]0c'],
    ],
  },
  {
    profile: 'chafon-uhfreader288',
    host: 'a host by the protocol’s document that reads into the buffer; computed by hand',
    exchanges: [
      ['09ff180400008014bbca', '0900180000020002'],
      ['04ff743190', '070074000002'],
      ['04ff7207f5', '..0072010201'],
      ['04ff738ee4', '05007300dab7'],
      ['04ff743190', '070074000000083c'],
    ],
  },
  {
    profile: 'gexin-5a',
    host: 'uhf-reader-ts (quanghiep03198/uhf-reader-ts@a5eba2b), its messages',
    exchanges: [
      ['5a000101000000dce5', '5a000101000011'],
      ['5a000101010000ebd5', '5a00010101000401000001fb02'],
      ['5a0001020000004739', '5a00010200000b0021'],
      ['5a0001020200002959', '5a000102020008011e021e031e041e34d2'],
      ['5a000102010004011e021eeea9', '5a0001020100010044a6'],
      ['5a0001020400009bf9', '5a00010204000104b867'],
      ['5a00010203000104e94a', '5a00010203000100a9ce'],
      ['5a0001020c00003258', '5a0001020c0004ff040000288b'],
      ['5a0001020a000080f8', '5a0001020a00030000003aee'],
      ['5a000102ff0000885a', '5a000102ff00010079b1'],
      ['5a0001021000050000000101f487', '5a0001021000010029b5(?:5a00011200.*)?'],
    ],
  },
  {
    profile: 'nxp-pn532',
    host: 'libnfc 1.8.0, nfc-list through its driver pn532_uart',
    exchanges: [
      ['555500000000000000000000000000000000ff03fdd414011700', acknowledged('0000ff02fed5151600')],
      ['0000ff09f7d400006c69626e6663be00', acknowledged('0000ff09f7d501006c69626e6663bc00')],
      ['0000ff02fed4022a00', acknowledged('0000ff06fad50332010607e800')],
      ['0000ff03fdd412140600', acknowledged('0000ff02fed5131800')],
      ['0000ff0cf4d40663026303630d6338633db000', acknowledged('0000ff07f9d5070000000000')],
      ['0000ff08f8d40663026303630deb00', acknowledged('0000ff05fbd507000000')],
      ['0000ff05fbd408630d10a400', acknowledged('0000ff02fed5092200')],
      ['0000ff06fad43205fffffff800', acknowledged('0000ff02fed533f800')],
      ['0000ff03fdd45200da00', acknowledged('0000ff03fdd55300d800')],
      ['0000ff04fcd4320100f900', acknowledged('0000ff02fed533f800')],
      ['0000ff03fdd416f02600', acknowledged('0000ff03fdd517001400')],
    ],
  },
  {
    profile: 'nxp-pn532',
    host: 'Adafruit PN532 library, by the user manual UM0701-02; computed by hand',
    exchanges: [
      ['0000ff02fed4022a00', acknowledged('0000ff06fad50332010607e800')],
      ['0000ff05fbd4140114010200', acknowledged('0000ff02fed5151600')],
      ['0000ff06fad43205ff01fff600', acknowledged('0000ff02fed533f800')],
      ['0000ff04fcd44a0100e100', acknowledged('0000ff....d54b01')],
    ],
  },
  {
    profile: 'rodinbell-r2000',
    host: 'a host by the datasheet (command codes in russss/rust-invelion@7786bbd); computed by hand',
    exchanges: [
      ['a003ff72ec', 'a0050172'],
      ['a004ff7400e9', 'a004017410d7'],
      ['a003ff75e9', 'a0040175'],
      ['a004ff761ec9', 'a004017610d5'],
      ['a006ff7801073ba0', 'a004017810d3'],
      ['a003ff68f6', 'a00f0168'],
      ['a003ff63fb', 'a0040163'],
      ['a003ff6af4', 'a004016ad1'],
      ['a004ff8901d3', 'a0..0189'],
    ],
  },
  {
    profile: 'elatec-twn4',
    host: 'a host by the TWN4 API; lines as its Simple Protocol spells them',
    exchanges: [
      [line('0004FF'), line('001A54574E342F42312E36342F4E4346352E32302F505253312E3034')],
      [line('0400030000'), line('00')],
      [line('0407646009F401F401'), line('00')],
      [line('0502FFFFFFFFFFFFFFFF'), line('00')],
      [line('050010'), Buffer.from('0001').toString('hex')],
    ],
  },
]

interface Refusal {
  readonly profile: string
  readonly what: string
  readonly sent: string
  readonly told: string
}

/** What a reader cannot do, and the protocol's own answer to that; checks computed apart from this code. */
export const REFUSED: readonly Refusal[] = [
  { profile: 'thingmagic-mercury', what: 'a power that is too high', sent: 'ff02920c804dd9', told: 'ff009201032638' },
  { profile: 'thingmagic-mercury', what: 'half a power', sent: 'ff01920c4eb1', told: 'ff00920100263b' },
  { profile: 'thingmagic-mercury', what: 'a region that is none', sent: 'ff0197634bde', told: 'ff0097010b7695' },
  {
    profile: 'thingmagic-mercury',
    what: 'an antenna that is not there',
    sent: 'ff03910209094acd',
    told: 'ff00910105165d',
  },
  { profile: 'thingmagic-mercury', what: 'a rate that is none', sent: 'ff0406000030394678', told: 'ff0006010ae50c' },
  {
    profile: 'thingmagic-mercury',
    what: 'a tag protocol that is none',
    sent: 'ff02930063511b',
    told: 'ff009304023318',
  },
  {
    profile: 'thingmagic-mercury',
    what: 'a read without a region',
    sent: 'ff072210001301f40fff3242',
    told: 'ff0022040584e5',
  },
  { profile: 'thingmagic-mercury', what: 'an empty buffer', sent: 'ff03290fff00facd', told: 'ff00290600378b' },
  { profile: 'magicrf-r200', what: 'a power that is too high', sent: 'bb00b600021388537e', told: 'bb01ff00010e0f7e' },
  { profile: 'magicrf-r200', what: 'a region that is none', sent: 'bb0007000109117e', told: 'bb01ff00010e0f7e' },
  { profile: 'magicrf-r200', what: 'half a power', sent: 'bb00b6000107be7e', told: 'bb01ff00010e0f7e' },
  { profile: 'rodinbell-r2000', what: 'a power that is too high', sent: 'a004ff763cab', told: 'a0040176489d' },
  { profile: 'rodinbell-r2000', what: 'a region that is none', sent: 'a006ff78090005d5', told: 'a0040178499a' },
  { profile: 'rodinbell-r2000', what: 'an antenna that is not there', sent: 'a004ff7409e0', told: 'a004017447a0' },
  { profile: 'rodinbell-r2000', what: 'no region at all', sent: 'a003ff78e6', told: 'a004017841a2' },
  { profile: 'chafon-uhfreader18', what: 'a power that is too high', sent: '05ff2f3c91f0', told: '05002ffff5c2' },
  { profile: 'chafon-uhfreader18', what: 'bands that are none', sent: '06ff2245453655', told: '050022ff8d72' },
  { profile: 'chafon-uhfreader18', what: 'no power at all', sent: '04ff2f677c', told: '05002ffde7e1' },
  { profile: 'chafon-uhfreader18', what: 'a command that it does not know', sent: '04ff99daac', told: '050000fe8773' },
  { profile: 'chafon-uhfreader288', what: 'a power that is too high', sent: '05ff2f3c91f0', told: '05002ffff5c2' },
  { profile: 'chafon-uhfreader288', what: 'no mode at all', sent: '04ff7623b3', told: '050076fd08e5' },
  { profile: 'chafon-cfprime', what: 'a power that is too high', sent: 'cfff0053023c008c2b', told: 'cf0000530101565c' },
  { profile: 'chafon-cfprime', what: 'half a power', sent: 'cfff0053011e4b70', told: 'cf0000530101565c' },
  {
    profile: 'gexin-5a',
    what: 'a power that is too high',
    sent: '5a000102010002013c33fe',
    told: '5a0001020100010264e4',
  },
  {
    profile: 'gexin-5a',
    what: 'an antenna that is not there',
    sent: '5a000102010002631e5a96',
    told: '5a000102010001015487',
  },
  { profile: 'gexin-5a', what: 'a region that is none', sent: '5a00010203000163f50b', told: '5a00010203000101b9ef' },
  {
    profile: 'nxp-pn532',
    what: 'more cards than two at once',
    sent: '0000ff04fcd44a0500dd00',
    told: '0000ff00ff000000ff01ff7f8100',
  },
  { profile: 'nxp-pn532', what: 'no kind of card', sent: '0000ff03fdd44a01e100', told: '0000ff00ff000000ff01ff7f8100' },
  { profile: 'feig-obid', what: 'a version with something behind it', sent: '06ff65012c84', told: '06006581d7c6' },
  { profile: 'elatec-twn4', what: 'a search without a size', sent: '303530300d', told: '30320d' },
  { profile: 'elatec-twn4', what: 'a search with something behind it', sent: '30353030313030300d', told: '30330d' },
  { profile: 'elatec-twn4', what: 'a function that it does not know', sent: '374630300d', told: '30310d' },
]
